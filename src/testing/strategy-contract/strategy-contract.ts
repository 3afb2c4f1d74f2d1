import { OncesinkError } from '../../errors.ts'
import { unknownOption } from '../../model/known-options.ts'
import { systemRandom } from '../../runtime/random.ts'
import { engines as allEngines, databaseNames, type Engine } from '../../services/index.ts'
import type { ContractServers } from './contract-servers.ts'
import type { ContractWorld } from './contract-world.ts'
import { commits } from './scenarios/commits.ts'
import { exchangeStrategies } from './scenarios/exchanges.ts'
import { kills } from './scenarios/kills.ts'
import { members } from './scenarios/members.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { stops } from './scenarios/stops.ts'
import { stopsAtPoison, undisturbed } from './scenarios/undisturbed.ts'

export interface StrategyContractOptions {
  /**
   * The strategies, by name: URLs of modules whose default export is a strategy, or a function that makes one of a
   * {@link ContractPlace}. They are loaded by real processes, TypeScript too. With two or more there is a scenario that
   * exchanges each for each other one.
   */
  readonly strategies: Readonly<Record<string, URL | string>>
  /** @default all three */
  readonly engines?: readonly Engine[]
  /**
   * Session timeout of members in milliseconds: how long one must be stopped to be replaced. The brokers have to allow it
   * (`group.min.session.timeout.ms`, of which Kafka's own default is 6000). @default 1000
   */
  readonly sessionTimeoutMs?: number
  /** Decides over keys, and over which COMMITs are cut. It is in every failure's message. @default chance */
  readonly seed?: number
  /** Told what takes time: servers that are being started. */
  readonly onProgress?: (message: string) => void
}

export interface ContractScenario {
  /** `perPartition on MySQL: killed with SIGKILL at every fault point it loses nothing and repeats nothing`. */
  readonly name: string
  readonly engine: Engine
  /** Null for the scenario that exchanges them. */
  readonly strategy: string | null
  /** Milliseconds that a test of it should be given. */
  readonly timeoutMs: number
  /**
   * Runs it. Scenarios do not meet: any number of them may run at the same time.
   * @throws Error what the strategy has done wrong, and what its processes said
   */
  readonly run: () => Promise<void>
}

export interface StrategyContract {
  readonly scenarios: readonly ContractScenario[]
  /** Ends what was started for the scenarios. */
  close(): Promise<void>
}

const known = {
  strategies: true,
  engines: true,
  sessionTimeoutMs: true,
  seed: true,
  onProgress: true,
} satisfies Readonly<Record<keyof StrategyContractOptions, true>>

const ofOneStrategy: readonly Scenario[] = [kills, stops, commits, members, undisturbed, stopsAtPoison]

/** Several minutes are many times what a scenario takes on a quiet machine. */
const TIMEOUT_MS = 1_200_000

/**
 * What every strategy has to stand, as scenarios for any test runner: real processes of a job with a sink of every kind, a
 * real Kafka and real databases, and after every fault a comparison of tables, positions, ledger and dead letters with
 * what the log says. See docs/strategies.md.
 * @throws OncesinkError CONFIGURATION_INVALID
 */
export function strategyContract(options: StrategyContractOptions): StrategyContract {
  const { strategies, engines = allEngines, sessionTimeoutMs = 1_000, onProgress = () => {} } = options
  const wrong = unknownOption('strategyContract', options, Object.keys(known))
  if (wrong !== null) throw new OncesinkError('CONFIGURATION_INVALID', wrong)
  const modules = Object.entries(strategies).map(([name, module]) => ({ name, url: String(module) }))
  for (const { name, url } of modules) {
    if (!url.startsWith('file:')) {
      throw new OncesinkError(
        'CONFIGURATION_INVALID',
        `strategyContract: the module of '${name}' is '${url}': give a URL, as in new URL('./my-strategy.ts', import.meta.url)`,
      )
    }
  }
  const seed = options.seed ?? Math.floor(systemRandom.fraction() * 2 ** 31)
  let servers: Promise<ContractServers> | null = null
  const opened = () => {
    // Loaded with the first scenario: who imports this file may want the test bench of a job only.
    servers ??= import('./contract-servers.ts').then(({ ContractServers }) => new ContractServers(onProgress))
    return servers
  }
  const scenario = (
    engine: Engine,
    strategy: string | null,
    what: string,
    play: (world: ContractWorld) => Promise<void>,
  ): ContractScenario => {
    const title = `${strategy === null ? '' : `${strategy} `}on ${databaseNames[engine].title}`
    return {
      name: `${title}: ${what}`,
      engine,
      strategy,
      timeoutMs: TIMEOUT_MS,
      run: async () => (await opened()).inWorld(engine, { sessionTimeoutMs, seed }, play),
    }
  }
  const scenarios = engines.flatMap((engine) => [
    ...(modules.length < 2
      ? []
      : [
          scenario(
            engine,
            null,
            'strategies that are exchanged between kills go on from each other',
            (world) =>
              exchangeStrategies(
                world,
                modules.map(({ url }) => url),
              ),
          ),
        ]),
    ...ofOneStrategy.flatMap(({ name: what, run }) =>
      modules.map(({ name, url }) => scenario(engine, name, what, (world) => run(world, url))),
    ),
  ])
  return { scenarios, close: async () => (await servers)?.close() }
}
