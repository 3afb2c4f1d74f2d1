// Loaded before the command line (`node --import`): tells which fault points this process comes by, sends it a signal
// at one of them, and ends it when the test that started it is gone.
import { writeSync } from 'node:fs'
import process from 'node:process'
import { isMainThread } from 'node:worker_threads'
import { systemRuntime } from '../../dist/runtime/runtime.js'

// The test holds the other end of standard input. (Worker threads load this file too, and have none.)
if (isMainThread) {
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume()
  process.stdin.unref()
}

const { point, visit, signal } = JSON.parse(process.env.TEST_FAULT ?? '{}')
let visits = 0

systemRuntime.faultPoints = {
  async reach(reached) {
    say({ event: 'point', point: reached })
    if (reached !== point) return
    visits += 1
    if (visits !== visit) return
    say({ event: 'fault', point, visit, signal })
    process.kill(process.pid, signal)
  },
}

function say(line) {
  writeSync(process.stderr.fd, `${JSON.stringify(line)}\n`)
}
