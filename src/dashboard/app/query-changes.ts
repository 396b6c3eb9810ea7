/** What is to become of parameters in the page's address; null takes one away. */
export type QueryChanges = Readonly<Record<string, string | null>>
