/** Why the port cannot be had, in terms of the settings, with a way out. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const where = `API_PORT=${port} on ${host}`
  if (error.code === 'EADDRINUSE') {
    const advice = 'stop the other program, or set API_PORT to a free port'
    return new Error(`${where}: the port is already in use; ${advice}`, { cause: error })
  }
  if (error.code === 'EACCES') {
    const advice = 'ports below 1024 need special rights; set API_PORT to a higher one'
    return new Error(`${where}: the port may not be opened; ${advice}`, { cause: error })
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new Error(`${where}: APP_HOST is not an address of this machine; use 0.0.0.0 or 127.0.0.1`, { cause: error })
  }
  return new Error(`${where}: cannot listen (${error.code ?? error.name})`, { cause: error })
}
