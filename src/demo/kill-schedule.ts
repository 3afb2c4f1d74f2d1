import type { SeededRandom } from '../runtime/seeded-random.ts'

/**
 * When one life of the job ends by SIGKILL:
 * - `starting`: so long after the process was started; it is loading, connecting or claiming. Does not count as a kill,
 *   for nothing was at stake yet;
 * - `working`: so long after its n-th commit, which puts the kill anywhere into the batch that follows.
 */
export type KillMoment =
  | { readonly kind: 'starting'; readonly afterMs: number }
  | { readonly kind: 'working'; readonly commits: number; readonly afterMs: number }

/** About one life in four is ended while it starts, one in three right after its first commit. */
const STARTING_SHARE = 0.25
const FIRST_COMMIT_SHARE = 1 / 3
const MAX_STARTING_MS = 700
const MAX_COMMITS = 8
const MAX_AFTER_COMMIT_MS = 40

/** Moments without end: whoever follows them stops when enough kills have counted. */
export function* killMoments(random: SeededRandom): Generator<KillMoment, never> {
  // The first life is left to commit something, or it would prove nothing about what it leaves behind.
  for (let first = true; ; first = false) {
    if (!first && random.fraction() < STARTING_SHARE) {
      yield { kind: 'starting', afterMs: random.integer(0, MAX_STARTING_MS) }
    }
    const atOnce = random.fraction() < FIRST_COMMIT_SHARE
    const commits = atOnce ? 1 : random.integer(2, MAX_COMMITS)
    yield { kind: 'working', commits, afterMs: atOnce ? 0 : random.integer(0, MAX_AFTER_COMMIT_MS) }
  }
}
