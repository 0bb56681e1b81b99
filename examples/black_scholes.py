"""Prices of European options: tuples as results, `math` inside, arrays filled in a loop."""

import math

import numpy as np

from _support import header, show
from numlift import jit


def normal_cdf(x):
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def price(spot, strike, years, rate, volatility):
    spread = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + (rate + 0.5 * volatility**2) * years) / spread
    discounted = strike * math.exp(-rate * years)
    call = spot * normal_cdf(d1) - discounted * normal_cdf(d1 - spread)
    return call, call - spot + discounted


@jit
def black_scholes(spot, strike, years, rate, volatility):
    call = np.empty(len(spot))
    put = np.empty(len(spot))
    for i in range(len(spot)):
        call[i], put[i] = price(spot[i], strike[i], years[i], rate, volatility)
    return call, put


def main(n: int = 100_000) -> None:
    header()
    rng = np.random.default_rng(0)
    market = rng.uniform(5, 30, n), rng.uniform(1, 100, n), rng.uniform(0.25, 10, n)
    # math.erf is the one function whose last bit may differ (docs/differences.md).
    show(black_scholes, lambda: (*market, 0.02, 0.3), tolerance=1e-12)
    print("\n   spot  strike   years      call       put")
    call, put = black_scholes(*market, 0.02, 0.3)
    for row in list(zip(*market, call, put, strict=True))[:5]:
        print("{:7.2f} {:7.2f} {:7.2f} {:9.4f} {:9.4f}".format(*row))


if __name__ == "__main__":
    main()
