import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'
import { chosenEngines } from './test/support/chosen-engines.ts'
import { TallyReporter } from './test/support/tally-reporter.ts'

const alias = {
  'oncesink/strategy': fileURLToPath(new URL('./src/strategy/index.ts', import.meta.url)),
  oncesink: fileURLToPath(new URL('./src/index.ts', import.meta.url)),
}

/** What starts processes is tested as it is built. */
const builtAlias = {
  'oncesink/testing': fileURLToPath(new URL('./dist/testing/index.js', import.meta.url)),
  ...alias,
}

const propertySeed = 'test/support/property-seed.ts'

/** Files that are about MySQL and MariaDB alone, where ONCESINK_ENGINES leaves one of them out. */
function testsOfEnginesLeftOut(): string[] {
  const chosen = chosenEngines()
  return chosen.includes('mysql') && chosen.includes('mariadb') ? [] : ['test/integration/mysql-*.test.ts']
}

export default defineConfig({
  test: {
    reporters: ['default', new TallyReporter()],
    // One .only left behind would quietly switch off the rest.
    allowOnly: false,
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          setupFiles: [propertySeed],
          // None takes a second where nothing else runs.
          testTimeout: 30_000,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          setupFiles: [propertySeed],
          testTimeout: 60_000,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['test/types/**/*.test.ts', 'test/types/**/*.test-d.ts'],
            tsconfig: 'test/types/tsconfig.json',
          },
        },
      },
      {
        resolve: { alias: builtAlias },
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...testsOfEnginesLeftOut()],
          // Starts Kafka and PostgreSQL once, and only when integration tests run.
          globalSetup: ['test/support/start-services.ts'],
          setupFiles: ['test/support/services-environment.ts', propertySeed],
          // All files share the servers and, at worst, two cores; much of what they do is waiting.
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
