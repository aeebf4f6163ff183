import { SentinelConnector, type SentinelConnectionOptions } from 'ioredis'

type Connect = SentinelConnector['connect']

/**
 * Finds the master through Sentinel. In ioredis 6.0.0 the failover detector outlives its connection: a failover that is
 * announced during a reconnect then closes the new connection for good. This connector ends the detector first; the
 * next connection gets its own.
 */
export class SentinelMasterConnector extends SentinelConnector {
  // ioredis declares the options of a connector as unknown.
  constructor (options: unknown) {
    super(options as SentinelConnectionOptions)
  }

  override async connect (...args: Parameters<Connect>): ReturnType<Connect> {
    this.disconnect()
    return super.connect(...args)
  }
}
