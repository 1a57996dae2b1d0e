/** What everybody is given to send. */

export const content = 'Your parcel is on its way and will be with you tomorrow between nine and eleven in the morning.'

/** The channel of every notification but where a scenario is about channels: the peers have one queue, and so has it. */
export const oneChannel = 'SMS'

export const phonePrefix = '+49155'
export const recipientDigits = 10

/** What the channel takes as a recipient (a phone number that there can be), and tells which notification it is. */
export function recipientOf(number: number, channel: string = oneChannel): string {
  const digits = String(number).padStart(recipientDigits, '0')
  return channel === 'EMAIL' ? `customer-${digits}@example.com` : `${phonePrefix}${digits}`
}

const lastDigits = new RegExp(`\\d{${recipientDigits}}(?!\\d)`)

/** NaN for a recipient that {@link recipientOf} did not make. */
export function numberOf(recipient: string): number {
  return Number(lastDigits.exec(recipient)?.[0])
}
