import { checkingMutants } from './list/checking.ts'
import { claimMutants } from './list/claims.ts'
import { commitMutants } from './list/commits.ts'
import { databaseMutants } from './list/databases.ts'
import { drivingMutants } from './list/driving.ts'
import { fastPathMutants } from './list/fast-path.ts'
import { membershipMutants } from './list/membership.ts'
import { readingMutants } from './list/reading.ts'
import type { Mutant } from './mutant.ts'

/** All of them, in the order in which they are told. */
export const mutants: readonly Mutant[] = [
  ...commitMutants,
  ...claimMutants,
  ...membershipMutants,
  ...drivingMutants,
  ...readingMutants,
  ...databaseMutants,
  ...fastPathMutants,
  ...checkingMutants,
]
