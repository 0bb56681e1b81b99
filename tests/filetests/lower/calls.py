# lower: main(int, float)


def half(x):
    return x / 2


def main(n, x):
    return half(n) + half(x)
