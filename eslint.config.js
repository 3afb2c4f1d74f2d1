// Two things Biome does not do: floating promises of thenables (knex builders are not Promises),
// and the ban of clock, timers and chance outside src/runtime.
import tseslint from 'typescript-eslint'

const ambientTimeAndChance = [
  { name: 'setTimeout', message: 'Time comes from src/runtime (Clock.sleep).' },
  { name: 'setInterval', message: 'Time comes from src/runtime (Clock.sleep).' },
  { name: 'setImmediate', message: 'Time comes from src/runtime (Clock.yield).' },
  { name: 'performance', message: 'Time comes from src/runtime (Clock.monotonicMs).' },
]
const ambientMembers = [
  { object: 'Date', property: 'now', message: 'Time comes from src/runtime (Clock.wallMs).' },
  { object: 'Math', property: 'random', message: 'Chance comes from src/runtime (Random).' },
  { object: 'crypto', property: 'randomUUID', message: 'Chance comes from src/runtime (Random.uuid).' },
]
const ambientDate = {
  selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
  message: 'Time comes from src/runtime (Clock.wallMs).',
}
const ambientImports = {
  paths: [
    { name: 'node:timers', message: 'Time comes from src/runtime.' },
    { name: 'node:timers/promises', message: 'Time comes from src/runtime.' },
    { name: 'node:perf_hooks', message: 'Time comes from src/runtime.' },
    {
      name: 'node:crypto',
      importNames: ['randomUUID', 'randomBytes', 'randomInt'],
      message: 'Chance comes from src/runtime.',
    },
  ],
}

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'coverage/**', '.cache/**', '**/*.js', '**/*.mjs'] },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-floating-promises': ['error', { checkThenables: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    // services/, chaos/ and demo/ act on the outside world in real time and are never imported by production code.
    ignores: ['src/runtime/**', 'src/services/**', 'src/chaos/**', 'src/demo/**'],
    rules: {
      'no-restricted-globals': ['error', ...ambientTimeAndChance],
      'no-restricted-properties': ['error', ...ambientMembers],
      'no-restricted-syntax': ['error', ambientDate],
      'no-restricted-imports': ['error', ambientImports],
    },
  },
)
