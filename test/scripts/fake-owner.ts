import { join } from 'node:path'
import { findRedis, launchRedis } from '../../scripts/redis.ts'

/** Starts a Redis, says where, and stays until it is ended. */
const redis = await launchRedis({ binary: await findRedis(), dir: join(process.cwd(), 'redis'), persistent: false })
console.log(redis.url)
