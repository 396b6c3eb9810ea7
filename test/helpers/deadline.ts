/** Loaded before every test file: a deadline for tests that hang, so far away that no busy machine reaches it. No test waits for it to pass. */
import { setDefaultTimeout } from 'bun:test'

setDefaultTimeout(30_000)
