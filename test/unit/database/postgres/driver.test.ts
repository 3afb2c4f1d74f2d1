import { expect, test } from 'vitest'

test('loading pg neither loads fetch nor leaves a navigator behind', async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  const response = Object.getOwnPropertyDescriptor(globalThis, 'Response')
  let asked = 0
  Object.defineProperty(globalThis, 'Response', {
    configurable: true,
    get: () => {
      asked += 1
      return undefined
    },
  })
  try {
    const { default: pg } = await import('../../../../src/database/postgres/driver.ts')
    expect(pg.Client).toBeTypeOf('function')
  } finally {
    if (response) Object.defineProperty(globalThis, 'Response', response)
  }
  expect(asked).toBe(0)
  expect(Object.getOwnPropertyDescriptor(globalThis, 'navigator')).toEqual(before)
})
