"""Replica exchange: Metropolis swaps between thermodynamic states, as molecular simulations mix them."""

import math

import numpy as np

from _support import header, show
from numlift import jit


@jit
def mix_replicas(nswap_attempts, nstates, replica_states, u_kl, Nij_proposed, Nij_accepted):
    for _ in range(nswap_attempts):
        i = int(np.random.random() * nstates)
        j = int(np.random.random() * nstates)
        istate = replica_states[i]
        jstate = replica_states[j]
        if (
            math.isnan(u_kl[i, istate])
            or math.isnan(u_kl[i, jstate])
            or math.isnan(u_kl[j, istate])
            or math.isnan(u_kl[j, jstate])
        ):
            continue
        log_p = -(u_kl[i, jstate] + u_kl[j, istate]) + (u_kl[j, jstate] + u_kl[i, istate])
        Nij_proposed[istate, jstate] += 1
        Nij_proposed[jstate, istate] += 1
        if log_p >= 0 or np.random.random() < math.exp(log_p):
            replica_states[i], replica_states[j] = replica_states[j], replica_states[i]
            Nij_accepted[istate, jstate] += 1
            Nij_accepted[jstate, istate] += 1
    return 0


def main(attempts: int = 100_000, nstates: int = 24) -> None:
    header()
    u_kl = np.random.default_rng(0).normal(size=(nstates, nstates))
    u_kl[3, 5] = math.nan

    def arguments():
        counts = (np.zeros((nstates, nstates), np.int64), np.zeros((nstates, nstates), np.int64))
        return (attempts, nstates, np.arange(nstates), u_kl, *counts)

    # The draws come from NumPy's own generator: the same seed gives the same swaps.
    show(mix_replicas, arguments, seed=1)
    np.random.seed(1)
    args = arguments()
    mix_replicas(*args)
    proposed, accepted = args[-2].sum() // 2, args[-1].sum() // 2
    print(f"\n{accepted} of {proposed} proposed swaps were accepted; the replicas are in the states")
    print(*args[2])


if __name__ == "__main__":
    main()
