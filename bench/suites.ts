import type { Suite } from './suite.ts'
import { w1 } from './w1/suite.ts'
import { w2 } from './w2/suite.ts'

/** Every suite, in the order in which they run. */
export const suites: readonly Suite[] = [w1, w2]
