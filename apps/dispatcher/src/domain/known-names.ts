/** Remembers which names came before, as many as it may; of more it forgets the one that came least recently. */
export class KnownNames {
  private readonly names = new Set<string>();

  /** @param max names kept. */
  constructor(private readonly max: number) {}

  /** Whether the name was not known; it is from now on. */
  isNew(name: string): boolean {
    const wasKnown = this.names.delete(name);
    this.names.add(name);
    if (this.names.size > this.max) this.names.delete(this.names.values().next().value!);
    return !wasKnown;
  }
}
