import { describe, expect, it } from 'vitest'
import { queueIdOf, readReply, type Stage, waitAskedForMs } from './reply.ts'
import { judgeReply } from './rules.ts'

/** `<class> <rule or ->`. */
function judged(text: string, stage: Stage): string {
  const reply = readReply(text)
  if (reply === null) return 'no refusal'
  const ruling = judgeReply(reply, stage)
  return `${ruling.class} ${ruling.rule ?? '-'}`
}

describe('a reply means', () => {
  it.each<readonly [string, Stage, string]>([
    ['550 5.1.1 no such user', 'recipient', 'recipient_invalid recipient-invalid'],
    ['550 5.1.10 null MX', 'recipient', 'recipient_invalid recipient-invalid'],
    ['550 5.2.1 mailbox disabled', 'message', 'recipient_invalid recipient-invalid'],
    ['550 no such user here', 'recipient', 'recipient_invalid recipient-invalid'],
    ['553 mailbox name not allowed', 'recipient', 'recipient_invalid recipient-invalid'],
    ['550-5.1.1 first line\n550 5.1.1 second line', 'recipient', 'recipient_invalid recipient-invalid'],
    // Nobody is struck off for a policy, a full mailbox, or a text.
    ['550 relaying denied', 'recipient', 'permanent -'],
    ['550 5.7.1 policy', 'recipient', 'permanent -'],
    ['552 5.2.2 mailbox full', 'recipient', 'permanent -'],
    ['550 rejected', 'message', 'permanent -'],
    ['554 5.7.1 client host blocked', 'recipient', 'permanent -'],
    // The enhanced code decides where there is one.
    ['450 5.1.1 no such user', 'recipient', 'recipient_invalid recipient-invalid'],
    ['550 4.2.2 mailbox full', 'recipient', 'transient deferred'],
    ['550 2.0.0 fine', 'message', 'permanent -'],
    // About the connection, not the message.
    ['550 5.7.60 may not send as this sender', 'message', 'config sender-refused'],
    ['550 5.1.8 bad sender', 'recipient', 'config sender-refused'],
    ['501 5.1.7 bad sender address', 'sender', 'config sender-refused'],
    ['538 5.7.11 encryption required', 'login', 'config credentials'],
    ['432 4.7.12 password transition needed', 'login', 'config credentials'],
    ['550 5.7.1 your name is refused', 'session', 'config session-refused'],
    // For now.
    ['421 4.3.2 shutting down', 'sender', 'transient -'],
    ['450 greylisted', 'recipient', 'transient greylisted'],
    ['451 4.7.1 please try again later', 'recipient', 'transient greylisted'],
    ['451 4.3.0 no space', 'message', 'transient deferred'],
    ['454 4.7.0 TLS not available', 'encryption', 'transient -'],
    ['503 5.5.1 bad sequence of commands', 'sender', 'transient out-of-step'],
    ['454 Throttling failure: Maximum sending rate exceeded.', 'message', 'rate_limited throttled'],
    ['450 4.7.28 flood', 'message', 'rate_limited throttled'],
    ['454 Throttling failure: Daily message quota exceeded.', 'message', 'quota_exhausted quota-exhausted'],
    ['550 5.4.5 Daily user sending limit exceeded', 'message', 'quota_exhausted quota-exhausted'],
    // What is no refusal.
    ['250 2.0.0 ok', 'message', 'no refusal'],
    ['354 go on', 'message', 'no refusal'],
    ['5500 what', 'message', 'no refusal'],
    ['thanks', 'message', 'no refusal'],
    ['', 'message', 'no refusal'],
  ])('%s (%s): %s', (text, stage, expected) => {
    expect(judged(text, stage)).toBe(expected)
  })
})

describe('the id of a message', () => {
  it.each<readonly [string, string | null]>([
    ['250 2.0.0 Ok: queued as 4XyZ1234', '4XyZ1234'],
    ['250 OK id=1tABcd-000000001Ab-2xYz', '1tABcd-000000001Ab-2xYz'],
    ['250 2.0.0 5A6BcDeF012345 Message accepted for delivery', '5A6BcDeF012345'],
    ['250 2.6.0 <abc-def@host.example> [InternalId=123] Queued mail for delivery', 'abc-def@host.example'],
    ['250 ok 1690000000 qp 12345', '12345'],
    ['250 Great success', null],
  ])('%s', (text, id) => {
    expect(queueIdOf(text)).toBe(id)
  })
})

describe('the wait that a greylist asks for', () => {
  it.each<readonly [string, number | null]>([
    ['451 Greylisted, please try again in 180 seconds', 180_000],
    ['451 4.7.1 Greylisting in action, please come back in 00:05:00', 300_000],
    ['450 greylisted for 5 minutes', 300_000],
    ['450 greylisted, see http://postgrey.example/help', null],
    ['450 greylisted for 9999 minutes', null],
  ])('%s', (text, ms) => {
    expect(waitAskedForMs(text)).toBe(ms)
  })
})
