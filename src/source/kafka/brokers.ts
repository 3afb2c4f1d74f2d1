import { OncesinkError } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import { sourceError } from './broker-errors.ts'
import { diagnose } from './diagnose.ts'
import {
  type ApiVersions,
  controlConnection,
  createKafkajsClient,
  fetchConnection,
  type KafkajsBroker,
  type KafkajsClient,
  type WireRequest,
} from './kafkajs.ts'
import type { KafkaSourcePlan } from './options.ts'
import { fetchApi } from './protocol/fetch.ts'
import { listOffsetsApi } from './protocol/list-offsets.ts'
import { type BrokerAddress, metadataApi } from './protocol/metadata.ts'
import { offsetForLeaderEpochApi } from './protocol/offset-for-leader-epoch.ts'
import type { Api } from './protocol/wire.ts'

interface Endpoint {
  readonly host: string
  readonly port: number
  readonly broker: KafkajsBroker
  /** Requests on the control connection go one by one: kafkajs would open a second socket for a concurrent one. */
  queue: Promise<unknown>
}

/**
 * The brokers of the cluster by address, and which node lives where.
 *
 * States: bootstrap (only the configured addresses are known) -> `update()` -> nodes known -> `close()` -> closed
 * (every send is refused).
 */
export class Brokers {
  readonly #client: KafkajsClient
  readonly #plan: KafkaSourcePlan
  readonly #endpoints = new Map<string, Endpoint>()
  #nodes = new Map<number, string>()
  /** The address that answered last is asked first, so that a dead broker is not tried every time. */
  #preferred: string | null = null
  /** Addresses that have answered somebody who may ask: nothing is wrong with their security options. */
  readonly #proven = new Set<string>()
  #closed = false

  constructor(plan: KafkaSourcePlan, clock: Clock) {
    this.#plan = plan
    this.#client = createKafkajsClient(plan, clock)
  }

  /** Learns the addresses of the nodes from a metadata answer. */
  update(brokers: readonly BrokerAddress[]): void {
    this.#nodes = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, formatAddress(host, port)]))
  }

  /** Learns the address of one node from another's answer. */
  learn({ nodeId, host, port }: BrokerAddress): void {
    this.#nodes.set(nodeId, formatAddress(host, port))
  }

  /**
   * Sends to whichever broker answers first, asking one after another.
   * @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED
   */
  async sendToAny<T>(request: WireRequest<T>): Promise<T> {
    const candidates = new Set([...this.#nodes.values(), ...this.#plan.brokers])
    const ordered = [...candidates].sort(
      (a, b) => Number(b === this.#preferred) - Number(a === this.#preferred),
    )
    let last: OncesinkError | null = null
    for (const address of ordered) {
      try {
        const answer = await this.#sendControl(address, request)
        this.#preferred = address
        return answer
      } catch (error) {
        last = await this.#reason(error, address, ordered)
        if (this.#closed || last.disposition !== 'retry') throw last
      }
    }
    throw last ?? sourceError(new Error('there is no address to ask'), ordered)
  }

  /**
   * Sends a request that is answered at once to one node.
   * @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED
   */
  async sendTo<T>(nodeId: number, request: WireRequest<T>): Promise<T> {
    const address = this.#addressOf(nodeId)
    try {
      return await this.#sendControl(address, request)
    } catch (error) {
      throw await this.#reason(error, address)
    }
  }

  /**
   * Sends a request that may wait at the node, on a connection of its own. At most one at a time per node.
   * @throws OncesinkError SOURCE_UNAVAILABLE, SOURCE_REFUSED
   */
  async sendWaiting<T>(nodeId: number, request: WireRequest<T>): Promise<T> {
    const address = this.#addressOf(nodeId)
    try {
      const endpoint = await this.#endpoint(address)
      await this.#connect(endpoint)
      return await this.#send(endpoint, fetchConnection, request)
    } catch (error) {
      throw await this.#reason(error, address)
    }
  }

  close(): void {
    this.#closed = true
    this.#client.cutConnections('the source was closed')
  }

  /** What the error means; a broker that has never answered is asked what it would have wanted. */
  async #reason(error: unknown, address: string, named = [address]): Promise<OncesinkError> {
    const reason = sourceError(error, named, this.#plan)
    if (this.#closed || this.#proven.has(address)) return reason
    const { ssl, sasl, connectionTimeoutMs } = this.#plan
    return (await diagnose(error, { ...parseAddress(address), ssl, sasl }, connectionTimeoutMs)) ?? reason
  }

  #addressOf(nodeId: number): string {
    const address = this.#nodes.get(nodeId)
    if (address !== undefined) return address
    throw sourceError(new Error(`node ${nodeId} is not among the cluster's brokers`), this.#plan.brokers)
  }

  async #endpoint(address: string): Promise<Endpoint> {
    const known = this.#endpoints.get(address)
    if (known !== undefined) return known
    const { host, port } = parseAddress(address)
    const broker = await this.#client.createBroker(host, port)
    // Two callers may have got here at once; the first one's endpoint stays.
    const endpoint = this.#endpoints.get(address) ?? { host, port, broker, queue: Promise.resolve() }
    this.#endpoints.set(address, endpoint)
    return endpoint
  }

  async #sendControl<T>(address: string, request: WireRequest<T>): Promise<T> {
    const endpoint = await this.#endpoint(address)
    const turn = endpoint.queue.then(async () => {
      await this.#connect(endpoint)
      return this.#send(endpoint, controlConnection, request)
    })
    // The queue only orders; whoever sent the request hears of its failure.
    endpoint.queue = turn.catch(() => undefined)
    return turn
  }

  async #connect(endpoint: Endpoint): Promise<void> {
    if (this.#closed) throw new Error('the source is closed')
    await endpoint.broker.connect()
    refuseOldBroker(endpoint.broker.versions, formatAddress(endpoint.host, endpoint.port))
  }

  async #send<T>(endpoint: Endpoint, index: number, request: WireRequest<T>): Promise<T> {
    if (this.#closed) throw new Error('the source is closed')
    try {
      const connection = await endpoint.broker.connectionPool.getConnection(index)
      const answer = await connection.send(request)
      this.#proven.add(formatAddress(endpoint.host, endpoint.port))
      return answer
    } catch (error) {
      // A request that timed out leaves a connection that may never answer again; kafkajs would keep it.
      this.#client.cutConnections('a request failed on this connection', endpoint)
      throw error
    }
  }
}

/** Topic ids came with Kafka 3.1; without them a recreated topic cannot be told from the one that was read. */
function refuseOldBroker(versions: ApiVersions | null, address: string): void {
  for (const api of [metadataApi, fetchApi, listOffsetsApi, offsetForLeaderEpochApi]) {
    if (supports(versions, api)) continue
    throw new OncesinkError(
      'PREFLIGHT_FAILED',
      `the Kafka broker at ${address} does not know ${api.name} version ${api.version}: oncesink needs topic ids, ` +
        'which came with Apache Kafka 3.1; upgrade the cluster',
    )
  }
}

function supports(versions: ApiVersions | null, api: Api): boolean {
  const range = versions?.[api.key]
  return range !== undefined && range.minVersion <= api.version && api.version <= range.maxVersion
}

function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function parseAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}
