import fc from 'fast-check'

/**
 * Property tests try the same values in every run, so that a change is judged by what it changes. Others are tried with
 * `ONCESINK_PROPERTY_SEED` (an integer, printed by a property that fails) and `ONCESINK_PROPERTY_RUNS` (values per property;
 * default 100).
 */
fc.configureGlobal({
  seed: Number(process.env.ONCESINK_PROPERTY_SEED ?? 1),
  numRuns: Number(process.env.ONCESINK_PROPERTY_RUNS ?? 100),
})
