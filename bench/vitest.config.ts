import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** What is measured and printed, and not part of `npm test`: `npm run bench:group`. */
export default defineConfig({
  resolve: { alias: { oncesink: fileURLToPath(new URL('../src/index.ts', import.meta.url)) } },
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['bench/*.bench.ts'],
    globalSetup: ['test/support/start-services.ts'],
    setupFiles: ['test/support/services-environment.ts'],
    fileParallelism: false,
    testTimeout: 1_800_000,
    hookTimeout: 120_000,
  },
})
