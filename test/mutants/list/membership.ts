import { type Mutant, simulation } from '../mutant.ts'

/** How processes of a job divide its partitions. */
export const membershipMutants: readonly Mutant[] = [
  {
    name: 'partitions given up while the driver works on them',
    breaks: 'who is given them fences a batch that is in flight',
    edits: [
      {
        file: 'src/source/kafka/group/holdings.ts',
        find: 'if (!this.#isForfeited) for (const [key, tp] of this.#told) owned.set(key, tp)',
        replace: '',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'partitions handed over in one phase',
    breaks: 'a partition has a new owner before the old one has let go of it',
    edits: [
      {
        file: 'src/source/kafka/group/assign.ts',
        find: 'if (isFreeFor(id, holding)) return true',
        replace: 'if (isFreeFor(id, holding) || id) return true',
      },
    ],
    killedBy: simulation(),
  },
]
