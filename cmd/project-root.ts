import { basename, dirname } from 'node:path'

const above = dirname(import.meta.dirname)

/** The folder of the checkout or the image, the same for the sources and for the compiled programs in `dist/`. */
export const projectRoot: string = basename(above) === 'dist' ? dirname(above) : above
