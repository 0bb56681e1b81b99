"""The page of the report in Debian's Chromium: nothing is logged, clicks and keys reveal, it reads light, dark and narrow.

`NUMLIFT_SCREENSHOTS=DIRECTORY` keeps pictures to be looked at.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import numlift
from test_report import SCRIPT

from harness import FAKE, define, jit

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.skipif(FAKE, reason="needs the compiler"),
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="needs chromium and chromedriver"),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.xdist_group("browser"),
]


class Page:
    """A browser with a report in it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def size(self, width: int, height: int, theme: str) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, path: Path) -> None:
        self.driver.get(path.as_uri())

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Any:
        """The first, which may still be being made."""
        wait = WebDriverWait(self.driver, 5, poll_frequency=0.05)
        return wait.until(lambda driver: driver.find_element(By.CSS_SELECTOR, selector), selector)

    def unfold(self, section: str) -> None:
        """Opens a folded function; its lines are made when it is opened."""
        self.one(f"{section} summary").click()
        self.one(f"{section} .row")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def focused(self) -> str | None:
        return self.driver.switch_to.active_element.get_attribute("data-line")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def picture(self, name: str) -> None:
        directory = os.environ.get("NUMLIFT_SCREENSHOTS")
        if directory:
            self.driver.save_screenshot(str(Path(directory) / f"{name}.png"))

    def logged(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield Page(driver)
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    numlift("report", "-o", str(path), SCRIPT, status=3)
    return path


@pytest.fixture
def page(browser: Page, report: Path) -> Iterator[Page]:
    browser.size(1280, 1000, "light")
    browser.open(report)
    yield browser
    assert browser.logged() == []


def test_what_the_page_shows(page: Page) -> None:
    assert "report_script.py" in page.driver.title
    totals = dict(zip([e.text for e in page.all(".totals dt")], [e.text for e in page.all(".totals dd")]))
    assert (
        totals["Functions"] == "5"
        and totals["Calls"].startswith("43")
        and totals["Interpreter entries"] == "69"
    )
    names = [e.text for e in page.all("nav li a span:first-of-type")]
    assert names == ["total", "scaled", "square", "mixed", "unused"]
    (advice,) = (item for item in page.all(".advice li") if "report_script.py:25" in item.text)
    assert "25 entries" in advice.text
    assert page.one("#f1 .row.hot .count").text == "25"
    assert page.one("#f1 .badge").text == "interpreter"
    page.picture("page")


def test_a_click_reveals_a_line(page: Page) -> None:
    page.unfold("#f0")
    row = page.one('#f0 .row[data-line="17"]')
    assert row.get_attribute("aria-expanded") == "false"
    row.click()
    detail = page.one("#f0 .detail")
    assert row.get_attribute("aria-expanded") == "true"
    assert "a: float64[::1]" in detail.text and "removed" in detail.text
    for stage, part in (("mir", "load.f64"), ("clif", "load.f64"), ("asm", "sd ")):
        page.one(f'#f0 .detail button[data-stage="{stage}"]').click()
        assert part in page.one("#f0 .listing").text, stage
    page.one("#f0 .detail input").click()
    assert len(page.one("#f0 .listing").text.splitlines()) > 20 and page.all("#f0 .listing .mine")
    page.picture("details")
    row.click()
    assert not page.all("#f0 .detail")


def test_specialisations_are_tabs(page: Page) -> None:
    page.unfold("#f0")
    first, second = page.all("#f0 .tabs button")
    assert "float64" in first.text and first.get_attribute("aria-selected") == "true"
    first.send_keys(Keys.ARROW_RIGHT)
    assert second.get_attribute("aria-selected") == "true"
    assert page.one("#f0 .about b").text == "1"
    page.one('#f0 .row[data-line="17"]').click()
    assert "a: float32[::1]" in page.one("#f0 .detail").text


def test_keys(page: Page) -> None:
    row = page.one('#f1 .row[tabindex="0"]')
    page.run("arguments[0].focus()", row)
    first = int(page.focused() or 0)
    page.press(Keys.ARROW_DOWN, "j")
    assert page.focused() == str(first + 2)
    page.press(Keys.ARROW_UP, "k")
    assert page.focused() == str(first)
    page.press("n")
    assert page.focused() == "25"
    page.press(Keys.ENTER)
    assert "NL2003" in page.one("#f1 .detail").text
    page.press(Keys.ESCAPE)
    assert not page.all("#f1 .detail") and page.focused() == "25"
    page.press(Keys.END)
    assert page.focused() == page.all("#f1 .row")[-1].get_attribute("data-line")
    page.press("p", " ")
    assert page.focused() == "25" and "NL2003" in page.one("#f1 .detail").text


def test_advice_leads_to_the_line(page: Page) -> None:
    next(link for link in page.all(".advice a") if link.text == "report_script.py:25").click()
    assert page.focused() == "25"
    assert "SETTINGS" in page.one("#f1 .detail .reason").text


def test_types_under_the_mouse(page: Page) -> None:
    page.unfold("#f0")
    name = page.one('#f0 .row[data-line="17"] .v[data-type^="a:"]')
    page.run("arguments[0].scrollIntoView({block: 'center'})", name)
    webdriver.ActionChains(page.driver).move_to_element(name).perform()
    tip = page.one("#tip")
    assert tip.get_attribute("textContent") == "a: float64[::1]" and "on" in tip.get_attribute("class")


def test_functions_are_found_by_name(page: Page) -> None:
    page.one("nav input").send_keys("scal")
    assert [e.text for e in page.all(".function h2") if e.is_displayed()] == ["scaled"]


def luminance(colour: str) -> float:
    parts = [float(x) / 255 for x in colour.split("(")[1].rstrip(")").split(",")[:3]]
    linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# The text of each kind, and the colour behind it.
CONTRAST = """
const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (!/, 0\\)$|transparent/.test(c) && !/rgba/.test(c)) return c; } return "rgb(255, 255, 255)"; };
const kinds = ["h1", ".soft", ".row .n", ".k", ".s", ".d", ".c", ".badge.native", ".badge.interpreter", ".badge.code", ".advice .help", ".keys", ".facts", "a"];
return kinds.map((kind) => [kind, document.querySelector(kind)]).filter(([, e]) => e).map(([kind, e]) =>
  [kind, getComputedStyle(e).color, behind(e)]);
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes_follow_the_system_and_the_button(page: Page, theme: str) -> None:
    page.size(1280, 1000, theme)
    page.unfold("#f0")
    page.one(f'html[data-theme="{theme}"]')
    paper = luminance(page.run("return getComputedStyle(document.body).backgroundColor"))
    assert (paper < 0.1) == (theme == "dark")
    for kind, text, behind in page.run(CONTRAST):
        light, dark = sorted((luminance(text), luminance(behind)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (kind, text, behind)
    page.picture(f"theme-{theme}")
    page.one(".theme").click()
    assert page.run("return document.documentElement.dataset.theme") != theme


def test_narrow_screens(page: Page) -> None:
    page.size(360, 800, "light")
    page.one('#f1 .row[data-line="25"]').click()
    assert page.run("return document.documentElement.scrollWidth") <= 360
    box = page.one("#f1 .detail").rect
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    page.picture("narrow")


def test_long_sources_open_fast(browser: Page, tmp_path: Path) -> None:
    body = "".join(f"    s += a[{i % 3}] * {i} - {i}.5  # step {i}\n" for i in range(5000))
    f = jit(define("def f(a):\n    s = 0.0\n" + body + "    return [s]\n"))
    f(np.ones(3))
    path = tmp_path / "long.html"
    f.report().html(path)
    browser.size(1280, 1000, "light")
    start = time.perf_counter()
    browser.open(path)
    browser.run("return document.body.offsetHeight")
    opened = time.perf_counter() - start
    assert len(browser.all(".row")) == 5003 and browser.logged() == []
    browser.one('.row[data-line="3"]').click()
    browser.press(Keys.END)
    assert browser.focused() == "5003"
    print(f"5,000 lines open in {opened:.2f} s")


def test_what_a_report_holds_is_text_only(browser: Page, tmp_path: Path) -> None:
    source = "def f(a):\n    x = '<img src=x onerror=alert(1)></script><script>document.title=\"broken\"</script>'\n    return [x]\n"
    f = jit(define(source))
    f(1)
    path = tmp_path / "hostile.html"
    f.report().html(path)
    browser.open(path)
    assert browser.logged() == [] and "broken" not in browser.driver.title.split()
    assert not browser.all("img") and "</script>" in browser.one(".source").text


def test_notebooks_show_the_page_in_a_frame(browser: Page, tmp_path: Path) -> None:
    f = jit(define("def f(a):\n    return a + 1\n"))
    f(1)
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{f.report()._repr_html_()}</body>")
    browser.open(path)
    browser.driver.switch_to.frame(browser.one("iframe"))
    assert browser.one("h1").text == "f" and browser.one(".row .n").text == "1"
    browser.driver.switch_to.default_content()
    assert [m for m in browser.logged() if "favicon" not in m] == []
