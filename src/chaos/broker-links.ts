import { kafkaClient } from './stream.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** A proxy before each broker, for the job's processes alone: who reads and writes for the run itself is not harmed. */
export interface BrokerLinks {
  /** Where the job's processes are led instead, by the address that brokers are known by: `host:port` to `host:port`. */
  readonly routes: Readonly<Record<string, string>>
  readonly proxies: readonly TcpProxy[]
  close(): Promise<void>
}

/**
 * Puts proxies before the given addresses, and before those that the cluster says its brokers have: clients go on there
 * after their first question.
 */
export async function linkBrokers(brokers: readonly string[]): Promise<BrokerLinks> {
  const admin = kafkaClient(brokers).admin()
  await admin.connect()
  const cluster = await admin.describeCluster().finally(() => admin.disconnect())
  const addresses = new Set([...brokers, ...cluster.brokers.map(({ host, port }) => `${host}:${port}`)])
  const links: { readonly address: string; readonly proxy: TcpProxy }[] = []
  const close = async () => {
    await Promise.all(links.map(({ proxy }) => proxy.close()))
  }
  try {
    for (const address of addresses) {
      const colon = address.lastIndexOf(':')
      const target = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
      links.push({ address, proxy: await startTcpProxy({ target, protocol: 'none' }) })
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    routes: Object.fromEntries(links.map(({ address, proxy }) => [address, `${proxy.host}:${proxy.port}`])),
    proxies: links.map(({ proxy }) => proxy),
    close,
  }
}
