# lower: total(float32[::1])


def total(a):
    s = 0.0
    for x in a:
        s += x
    return s
