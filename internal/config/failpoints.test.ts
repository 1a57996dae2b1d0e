import { describe, expect, it } from 'vitest'
import { failpoints } from './failpoints.ts'
import { loadConfig } from './load.ts'

const embedded = { EMBEDDED: '1' }
const whyNot = (text: string) => {
  const parsed = failpoints.parse(text)
  if (parsed.ok) throw new Error(`${text} was understood`)
  return parsed.why ?? ''
}

describe('FAILPOINTS', () => {
  it('reads points, actions, chances, turns and contents', () => {
    const text =
      'claim.after=kill@0.01; publish.before=drop@0.1;settle.before=delay:200@0.05;send.afterAnswer=throw#3;send.before=kill?content=POISON PILL;stop.heartbeat row=kill;'
    const plain = { content: null, probability: 1, nth: null }
    expect(failpoints.parse(text)).toEqual({
      ok: true,
      value: [
        { ...plain, point: 'claim.after', action: { kind: 'kill' }, probability: 0.01 },
        { ...plain, point: 'publish.before', action: { kind: 'drop' }, probability: 0.1 },
        { ...plain, point: 'settle.before', action: { kind: 'delay', delayMs: 200 }, probability: 0.05 },
        { ...plain, point: 'send.afterAnswer', action: { kind: 'throw' }, nth: 3 },
        { ...plain, point: 'send.before', action: { kind: 'kill' }, content: 'POISON PILL' },
        { ...plain, point: 'stop.heartbeat row', action: { kind: 'kill' } },
      ],
    })
  })

  it('names every entry it does not understand, with what may have been meant', () => {
    const why = whyNot('claim.afer=kill;send.before=kil;settle.before')
    expect(why).toContain('there is no point claim.afer: did you mean claim.after?')
    expect(why).toContain('there is no action kil: did you mean kill?')
    expect(why).toContain('settle.before is not <point>=<action>')
  })

  it.each([
    'claim.after=kill@0',
    'claim.after=kill@1.5',
    'claim.after=kill@often',
    'claim.after=kill#0',
    'claim.after=kill#1.5',
    'claim.after=delay',
    'claim.after=delay:-1',
    'claim.after=delay:soon',
    'claim.after=kill:200',
    'claim.before=kill?content=POISON',
    'send.before=kill?content=',
    'nowhere=kill',
  ])('refuses %s and says why', (text) => {
    expect(whyNot(text)).not.toBe('')
  })

  it('is off unless set, and takes the seed along', () => {
    expect(loadConfig(embedded).failpoints).toBeNull()
    expect(loadConfig({ ...embedded, FAILPOINTS: 'off', FAILPOINT_SEED: '3' }).failpoints).toBeNull()
    const { failpoints: set } = loadConfig({ ...embedded, FAILPOINTS: 'ack=drop', FAILPOINT_SEED: '3' })
    expect(set).toMatchObject({ seed: 3, rules: [{ point: 'ack' }] })
    expect(loadConfig({ ...embedded, FAILPOINTS: 'ack=drop' }).failpoints?.seed).toBeNull()
  })

  it('is refused in production, and told together with every other problem', () => {
    const production = { ...embedded, NODE_ENV: 'production' }
    expect(() => loadConfig({ ...production, FAILPOINTS: 'ack=drop' })).toThrow('never for production')
    expect(loadConfig({ ...production, FAILPOINTS: 'off' }).failpoints).toBeNull()
    const both = () => loadConfig({ ...embedded, FAILPOINTS: 'akc=drop', API_PORT: 'x' })
    expect(both).toThrow(/did you mean ack/)
    expect(both).toThrow(/API_PORT/)
  })
})
