// Loaded before the command line (`node --import`): tells which fault points this process comes by, sends it a signal
// at one of them, and ends it when the test that started it is gone.
import process from 'node:process'
import { isMainThread } from 'node:worker_threads'
import { hearCommands, say } from '../../dist/chaos/life/line-talk.js'
import { ArmedFault } from '../../dist/chaos/life/own-fault.js'
import { systemRuntime } from '../../dist/runtime/runtime.js'

// The test holds the other end of standard input. (Worker threads load this file too, and have none.)
if (isMainThread) hearCommands(() => {})

const armed = new ArmedFault()
armed.arm(JSON.parse(process.env.TEST_FAULT ?? 'null'))

systemRuntime.faultPoints = {
  async reach(point) {
    say(process.stderr.fd, { event: 'point', point })
    const fault = armed.dueAt(point)
    if (fault === null) return
    say(process.stderr.fd, { event: 'fault', ...fault })
    process.kill(process.pid, fault.signal)
  },
}
