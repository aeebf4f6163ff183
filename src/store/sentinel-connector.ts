import { SentinelConnector, type SentinelConnectionOptions } from 'ioredis'

type Connect = SentinelConnector['connect']

/**
 * Finds the master through Sentinel. A failover that is told while a lost connection is being made again closes it for
 * good in ioredis (6.0.0): its detector
 * outlives the connection that it watched. Here it ends with it; the next connection gets its own.
 */
export class SentinelMasterConnector extends SentinelConnector {
  // As ioredis declares what it is given.
  constructor (options: unknown) {
    super(options as SentinelConnectionOptions)
  }

  override async connect (...args: Parameters<Connect>): ReturnType<Connect> {
    this.disconnect()
    return super.connect(...args)
  }
}
