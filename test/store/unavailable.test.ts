import t from 'tap'
import { unavailableCodeOf, unavailableCodes, StoreUnavailable } from '../../src/store/unavailable.ts'

const replyError = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })

t.test('the code of an error of ioredis', async t => {
  const table: [error: unknown, code: string][] = [
    [new Error('Command timed out'), 'TIMEOUT'], [new Error('Connection is closed.'), 'DISCONNECTED'],
    [replyError('OOM command not allowed when used memory > maxmemory'), 'OOM'],
    [replyError('ERR Error running script: @user_script:1: -OOM command not allowed'), 'OOM'],
    [replyError('READONLY You can\'t write against a read only replica.'), 'READONLY'],
    [replyError('LOADING Redis is loading the dataset in memory'), 'LOADING'],
    [replyError('NOPERM this user has no permissions'), 'NOPERM'],
    [new Error('UNREPLICATED'), 'UNREPLICATED'],
    [new Error('Too many Cluster redirections. Last error: MOVED 1'), 'TRYAGAIN'],
    [replyError('ERR syntax error'), 'ERROR'], ['text', 'ERROR'], [undefined, 'ERROR'],
  ]
  for (const [error, code] of table) t.equal(unavailableCodeOf(error), code, String(error))
  t.ok(table.every(([, code]) => unavailableCodes.some(known => known === code)))
})

t.test('the error shows its code and nothing else', async t => {
  const error = new StoreUnavailable('OOM')
  t.match(error, { name: 'StoreUnavailable', code: 'OOM', message: 'store unavailable: OOM' })
  t.equal(error.cause, undefined)
})
