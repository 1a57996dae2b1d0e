import { describe, expect, it } from 'vitest'
import { maskUrl, showValue } from './mask.ts'

describe('maskUrl', () => {
  it.each([
    ['postgres://app:secret@db:5432/app', 'postgres://app:***@db:5432/app'],
    ['postgres://app:secret@h1:1,h2:2/app?password=x', 'postgres://app:***@h1:1,h2:2/app?…'],
    ['redis://:secret@[::1]:6379/0', 'redis://:***@[::1]:6379/0'],
    ['redis://token@cache', 'redis://***@cache'],
    ['amqp://mq', 'amqp://mq'],
    ['memory:', 'memory:'],
    ['amqp://user:12/secret@mq', 'amqp://***'],
    ['amqp://user:12#secret@mq', 'amqp://***'],
    ['amqp://user:secret', 'amqp://***'],
    ['user:secret@mq', '***'],
    ['secret', '***'],
  ])('shows %s as %s', (raw, shown) => {
    expect(maskUrl(raw, 'url')).toBe(shown)
  })

  it('hides the path of a webhook, which is its secret', () => {
    expect(maskUrl('https://hooks.example/T0/B0/secret?key=1', 'origin')).toBe('https://hooks.example/…')
    expect(maskUrl('https://hooks.example', 'origin')).toBe('https://hooks.example')
  })
})

describe('showValue', () => {
  it('shows plain values, and quotes and cuts what would be unreadable', () => {
    expect(showValue('5s', 'none')).toBe('5s')
    expect(showValue('a b\n', 'none')).toBe(String.raw`"a b\n"`)
    expect(showValue('x'.repeat(500), 'none').length).toBeLessThan(100)
  })

  it('hides keys whole, and connection strings even in the wrong place', () => {
    expect(showValue('secret', 'all')).toBe('***')
    expect(showValue('postgres://u:secret@db/app', 'none')).toBe('postgres://u:***@db/app')
    expect(showValue('host=db password=secret', 'none')).toBe('***')
    expect(showValue('host=db password=secret', 'url')).toBe('***')
  })
})
