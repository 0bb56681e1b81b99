# lower: f(int)


def f(n):
    return {n: n}
