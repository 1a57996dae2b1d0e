import type { Readable } from 'node:stream'

/** Knows of one message whether the dot that ends it may have left this process: from then on it may be delivered. */
export class SendMark {
  #mayBeSent = false

  get mayBeSent(): boolean {
    return this.#mayBeSent
  }

  /**
   * For `processFunc`. The dot is written in the turn in which the text of the message has been read to its end, so the
   * end is seen before; a message that was not read whole is one that the relay must throw away.
   */
  watch(message: Readable): Readable {
    // The pool begins a message anew when its connection was gone already. That must never become a second message.
    if (this.#mayBeSent) return message.destroy(new Error('the message was written once already'))
    return message.once('end', () => {
      this.#mayBeSent = true
    })
  }
}
