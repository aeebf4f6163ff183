import { createServer } from 'node:http'

/**
 * Stands in for src/main.ts: reads the environment, says that it listens, ends on SIGTERM. It answers every request
 * with its environment.
 */
const { PORT, REDIS_URL, SANDBOX, LOG_LEVEL, NODE_COMPILE_CACHE } = process.env

const log = (level: number, fields: object): boolean =>
  process.stdout.write(`${JSON.stringify({ level, time: Date.now(), ...fields })}\n`)

const server = createServer((request, response) => {
  if (request.url === '/crash') {
    process.stderr.write('{"level":60,"msg":"broken","cause":"too old"}\nplain words\n')
    process.exit(7)
  }
  response.end(JSON.stringify({ REDIS_URL, SANDBOX, LOG_LEVEL, NODE_COMPILE_CACHE }))
})

process.on('SIGTERM', () => {
  process.stdout.write('drained\n')
  server.closeAllConnections()
  server.close()
})

server.listen(Number(PORT), '127.0.0.1', () => {
  log(30, { msg: 'small talk' })
  log(40, { msg: 'look here', err: { type: 'Error', message: 'nearly full' } })
  log(40, { msg: 'origin refused', origin: 'https://shop.example', set: '"allowedOrigins"' })
  log(30, { msg: 'listening', address: `http://127.0.0.1:${PORT}` })
})
