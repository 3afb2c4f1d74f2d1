import type { Socket } from 'node:net'
import kafkajs, { type ISocketFactoryArgs, type KafkaConfig } from 'kafkajs'
import { asError } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import { loginMechanism } from './authentication.ts'
import { openSocket } from './open-socket.ts'
import type { KafkaSourcePlan } from './options.ts'
import { ResponseFrames, wholeResponse } from './response-frames.ts'
import { isLogin, revealed } from './security.ts'

/*
 * All that is used of kafkajs 2.2.4 (the version is pinned): its connections, TLS, SASL and request queue. The
 * `Cluster` comes out of `partitionAssigners`, the one public door to it, and no consumer ever joins a group. Its
 * own metadata, retries and decoders are not used: they lose topic ids, hide errors and are slow.
 */

/** A request as kafkajs' connection sends it. */
export interface WireRequest<T> {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    /** kafkajs wants its own Encoder, of which it uses these two properties only. */
    readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
  }
  readonly response: {
    /** `clientSideThrottleTime`, where given, delays the next request as the broker asks (KIP-219). */
    readonly decode: (
      raw: Buffer,
    ) => Promise<{ readonly value: T; readonly clientSideThrottleTime: number | null }>
    readonly parse: (decoded: { readonly value: T }) => Promise<T>
  }
  /** Milliseconds that this request may take, where they are not the client's `requestTimeout`. */
  readonly requestTimeout?: number
}

/** Versions of the requests that a broker accepts, by api key. */
export type ApiVersions = Readonly<
  Record<number, { readonly minVersion: number; readonly maxVersion: number } | undefined>
>

/** kafkajs keeps two connections per broker, so that requests do not queue behind a fetch that waits for records. */
export const controlConnection = 0
export const fetchConnection = 1

export interface KafkajsBroker {
  readonly versions: ApiVersions | null
  readonly connectionPool: {
    /** Connections by index: {@link controlConnection} and {@link fetchConnection}. Connects if need be. */
    getConnection(index: number): Promise<{ send<T>(request: WireRequest<T>): Promise<T> }>
  }
  /** Connects, asks for the versions and authenticates, unless that is done. */
  connect(): Promise<void>
}

interface ConnectionPool {
  readonly pool: readonly Connection[]
}

interface Connection {
  readonly requestQueue: RequestQueue
  readonly socket?: Socket
  /** Of the login under way, whose answers are not the request queue's; null besides. */
  readonly authHandlers: unknown
  isConnected(): boolean
  connect(): Promise<boolean>
  /** What was received of a response that is not complete yet, its size, and the size at which it is looked at. */
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  /** Takes what the socket has received; throws at a response that is none. */
  processData(bytes: Buffer): void
}

interface RequestQueue {
  /** Answers the request of that number. */
  fulfillRequest(response: {
    readonly correlationId: number
    readonly payload: Buffer
    /** Bytes of the response. */
    readonly size: number
  }): void
  /** Requests that wait because the broker has asked to slow down. */
  readonly pending: readonly unknown[]
  /** Sets a timer that looks after them. */
  scheduleCheckPendingRequests(): void
}

interface KafkajsCluster {
  readonly rootLogger: unknown
  readonly connectionPoolBuilder: {
    build(destination: { readonly host: string; readonly port: number }): Promise<ConnectionPool>
  }
  readonly brokerPool: {
    createBroker(options: {
      readonly connectionPool: ConnectionPool
      readonly logger: unknown
    }): KafkajsBroker
  }
}

/** Makes brokers, and can cut their connections. */
export interface KafkajsClient {
  createBroker(host: string, port: number): Promise<KafkajsBroker>
  /**
   * Destroys every open socket to that address, or all. kafkajs then rejects the requests in flight; its own
   * disconnect would wait for their answers, which a hung broker never gives.
   */
  cutConnections(reason: string, address?: { readonly host: string; readonly port: number }): void
}

export function createKafkajsClient(plan: KafkaSourcePlan, clock: Clock): KafkajsClient {
  const sockets = new Map<Socket, ISocketFactoryArgs>()
  const kafka = new kafkajs.Kafka({
    brokers: [...plan.brokers],
    clientId: plan.clientId,
    connectionTimeout: plan.connectionTimeoutMs,
    requestTimeout: plan.requestTimeoutMs,
    retry: { retries: 0 },
    // What goes wrong is reported as events and errors; kafkajs' own log would repeat it on stdout.
    logLevel: kafkajs.logLevel.NOTHING,
    logCreator: () => () => undefined,
    socketFactory: (args) => {
      const frames = new ResponseFrames((bytes) => socket.emit('data', bytes))
      const socket: Socket = openSocket(args, args.onConnect, (bytes) => frames.receive(bytes))
      sockets.set(socket, args)
      socket.once('close', () => sockets.delete(socket))
      return socket
    },
    ...securityOf(plan, clock),
  })
  const cluster = clusterOf(kafka)
  return {
    async createBroker(host, port) {
      const connectionPool = await cluster.connectionPoolBuilder.build({ host, port })
      for (const connection of connectionPool.pool) {
        stopIdleTimer(connection.requestQueue)
        connectAfresh(connection)
        takeWholeResponses(connection)
        breakOffNonsense(connection)
      }
      return cluster.brokerPool.createBroker({ connectionPool, logger: cluster.rootLogger })
    },
    cutConnections(reason, address) {
      for (const [socket, args] of sockets) {
        if (address === undefined || (args.host === address.host && args.port === address.port)) {
          socket.destroy(new Error(reason))
        }
      }
    },
  }
}

function securityOf({ ssl, sasl }: KafkaSourcePlan, clock: Clock): Pick<KafkaConfig, 'ssl' | 'sasl'> {
  return {
    ...(ssl !== undefined && { ssl: typeof ssl === 'boolean' ? ssl : revealed(ssl) }),
    // kafkajs keeps its authenticator in this object, so it gets one of its own.
    ...(sasl !== undefined && { sasl: isLogin(sasl) ? loginMechanism(sasl, clock) : revealed(sasl) }),
  }
}

function clusterOf(kafka: kafkajs.Kafka): KafkajsCluster {
  const found: KafkajsCluster[] = []
  kafka.consumer({
    groupId: 'never-joined',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      ({ cluster }) => {
        found.push(cluster as unknown as KafkajsCluster)
        const protocol = () => ({ name: 'none', metadata: Buffer.alloc(0) })
        return { name: 'none', version: 0, assign: () => Promise.resolve([]), protocol }
      },
    ],
  })
  const [cluster] = found
  if (cluster === undefined) throw new Error('kafkajs no longer hands its Cluster to partition assigners')
  return cluster
}

/**
 * kafkajs opens a new socket over what is left of the old one. What has been received of a response when a connection
 * breaks would become the beginning of the next connection's first response, and every number after it a wrong one; a
 * socket that was given up while it connected would later report that it has; and two that connect at once would have a
 * socket each, of which one is lost. So there is one attempt at a time, and each begins with nothing.
 */
function connectAfresh(connection: Connection): void {
  const connect = connection.connect.bind(connection)
  let connecting: Promise<boolean> | null = null
  connection.connect = () => {
    if (connection.isConnected()) return Promise.resolve(true)
    if (connecting === null) {
      connection.socket?.destroy()
      connection.chunks = []
      connection.bytesBuffered = 0
      connection.bytesNeeded = responseSizeBytes
      connecting = connect().finally(() => {
        connecting = null
      })
    }
    return connecting
  }
}

/**
 * kafkajs puts what it receives behind what is left of the response before, which is nothing, and so copies each response:
 * those that come whole are handed to their requests as they are.
 */
function takeWholeResponses(connection: Connection): void {
  const process = connection.processData.bind(connection)
  connection.processData = (bytes) => {
    const isFirst = connection.authHandlers === null && connection.bytesBuffered === 0
    const whole = isFirst ? wholeResponse(bytes) : null
    if (whole) connection.requestQueue.fulfillRequest({ ...whole, size: bytes.length - responseSizeBytes })
    else process(bytes)
  }
}

/** What is no response would be thrown at nobody, inside the socket's event, and end the process. */
function breakOffNonsense(connection: Connection): void {
  const process = connection.processData.bind(connection)
  connection.processData = (bytes) => {
    try {
      process(bytes)
    } catch (error) {
      connection.socket?.destroy(new Error(`a response was not understood (${asError(error).message})`))
    }
  }
}

/** Every response begins with its size. */
const responseSizeBytes = 4

/**
 * kafkajs sets its timer again and again, each millisecond, also when no request is pending: 2 to 5 % of a core per
 * idle process. With nothing pending there is nothing to look after; a request that becomes so sets the timer.
 */
function stopIdleTimer(queue: RequestQueue): void {
  const schedule = queue.scheduleCheckPendingRequests.bind(queue)
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) schedule()
  }
}
