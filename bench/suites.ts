import type { Suite } from './suite.ts'
import { exactlyOnce } from './suites/exactly-once.ts'
import { growth } from './suites/growth.ts'
import { idle } from './suites/idle.ts'
import { latency } from './suites/latency.ts'
import { memory } from './suites/memory.ts'
import { parallel } from './suites/parallel.ts'
import { restart } from './suites/restart.ts'
import { w1 } from './w1/suite.ts'
import { w2 } from './w2/suite.ts'
import { w3 } from './w3/suite.ts'

/** Every suite, in the order in which they run. */
export const suites: readonly Suite[] = [
  w1,
  w2,
  w3,
  latency,
  restart,
  idle,
  exactlyOnce,
  parallel,
  growth,
  memory,
]
