// What users import to test their jobs, as 'oncesink/testing'. Named exports, nothing else.
export type { ChaosOptions, Intensity } from '../chaos/options.ts'
export type { ChaosOutcome, ChaosResult, ChaosViolation, FaultReport } from '../chaos/result.ts'
export { runChaos } from '../chaos/run-chaos.ts'
export type { ChaosCheck, ChaosRandom, ChaosRecord, ChaosSpec, CheckedRecord } from '../chaos/spec.ts'
export type { DatabaseOptions, DatabaseService, KafkaOptions, KafkaService } from '../services/index.ts'
export { startKafka, startMariadb, startMysql, startPostgres } from '../services/index.ts'
export type { ContractPlace } from './strategy-contract/load-strategy.ts'
export {
  type ContractScenario,
  type StrategyContract,
  type StrategyContractOptions,
  strategyContract,
} from './strategy-contract/strategy-contract.ts'
export {
  type SentBatch,
  type TestedJob,
  type TestRecord,
  type TestRow,
  type TestValue,
  testJob,
} from './test-job.ts'
