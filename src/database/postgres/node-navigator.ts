import process from 'node:process'

/** Whether `navigator` is ours. */
let isSet = false

if (!('navigator' in globalThis)) {
  const [major] = process.versions.node.split('.')
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent: `Node.js/${major}` },
    configurable: true,
  })
  isSet = true
}

/** Takes away what the evaluation of this module has put there. */
export function forgetNavigator(): void {
  if (isSet) Reflect.deleteProperty(globalThis, 'navigator')
  isSet = false
}
