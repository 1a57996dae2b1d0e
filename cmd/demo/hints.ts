/** What to try next, ready to be pasted into a second terminal. */
export function hints(port: number): string {
  const url = `http://localhost:${port}`
  const post = (content: string) =>
    `curl -s ${url}/v1/notifications -H 'content-type: application/json' \\
         -d '{"channel":"SMS","recipient":"+15550000100","content":"${content}"}'`
  return `
  The engine is ready on ${url} (Ctrl-C ends it; what it stored stays). In another terminal:

  1  Send a notification: the answer is 202 with an id, delivered within a second
       ${post('Hello')}
  2  Look at it: SENT, with its attempts
       curl -s "${url}/v1/notifications?pageSize=1"
       curl -s "${url}/v1/notifications/<id>?include=attempts"
  3  Let the provider fail twice: watch the retries below, then SENT with three attempts
       ${post('Hello again [sink 503 503 200]')}
  4  The figures and the interface
       curl -s ${url}/metrics | grep notifications_sent
       ${url}/docs
`
}
