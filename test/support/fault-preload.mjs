// Loaded before the command line (`node --import`): lets something happen to this very process at one of its fault
// points, and ends it when the test that started it is gone.
import { writeSync } from 'node:fs'
import process from 'node:process'
import { systemRuntime } from '../../dist/runtime/runtime.js'

// The test holds the other end of standard input.
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume()
process.stdin.unref()

if (process.env.TEST_FAULT) {
  const { point, visit, signal } = JSON.parse(process.env.TEST_FAULT)
  let visits = 0
  systemRuntime.faultPoints = {
    async reach(reached) {
      if (reached !== point) return
      visits += 1
      if (visits !== visit) return
      writeSync(process.stderr.fd, `${JSON.stringify({ event: 'fault', point, visit, signal })}\n`)
      process.kill(process.pid, signal)
    },
  }
}
