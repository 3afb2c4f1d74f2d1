import type { SeededRandom } from './seeded-random.ts'

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

/** Moments for `kills` kills that count, with some that do not between them. */
export function killSchedule(kills: number, random: SeededRandom): KillMoment[] {
  const moments: KillMoment[] = []
  for (let kill = 0; kill < kills; kill++) {
    // The first life is left to commit something, or it would prove nothing about what it leaves behind.
    if (kill > 0 && random.fraction() < STARTING_SHARE) {
      moments.push({ kind: 'starting', afterMs: random.integer(0, MAX_STARTING_MS) })
    }
    const first = random.fraction() < FIRST_COMMIT_SHARE
    const commits = first ? 1 : random.integer(2, MAX_COMMITS)
    moments.push({ kind: 'working', commits, afterMs: first ? 0 : random.integer(0, MAX_AFTER_COMMIT_MS) })
  }
  return moments
}
