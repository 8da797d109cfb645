import { createHash } from 'node:crypto';

/** A token that authorizes calls. */
export interface AccessToken {
  readonly value: string;
  readonly usableUntilMs: number;
}

/** Access tokens of sources, in memory; those made together are made once. */
export class TokenCache {
  private readonly tokens = new Map<string, Promise<AccessToken>>();

  /** @param entriesMax beyond it the token that was made first is made again when it is needed. */
  constructor(private readonly entriesMax: number) {}

  /**
   * The token of these credentials, made when there is none, or it is about to expire.
   * @throws whatever `make` throws; then the next call makes it again.
   */
  async get(credentials: unknown, nowMs: number, make: () => Promise<AccessToken>): Promise<string> {
    const key = keyOf(credentials);
    const known = this.tokens.get(key);
    if (known !== undefined) {
      const { value, usableUntilMs } = await known;
      if (nowMs < usableUntilMs) return value;
    }
    // Another call may have begun to make it meanwhile.
    const begun = this.tokens.get(key);
    const made = begun === undefined || begun === known ? this.begin(key, make) : begun;
    return (await made).value;
  }

  /** The provider no longer takes it. */
  forget(credentials: unknown): void {
    this.tokens.delete(keyOf(credentials));
  }

  private begin(key: string, make: () => Promise<AccessToken>): Promise<AccessToken> {
    const made = make();
    this.tokens.delete(key);
    if (this.tokens.size >= this.entriesMax) this.tokens.delete(this.tokens.keys().next().value!);
    this.tokens.set(key, made);
    made.catch(() => {
      if (this.tokens.get(key) === made) this.tokens.delete(key);
    });
    return made;
  }
}

/** The cache holds no secret as a key. */
const keyOf = (credentials: unknown): string =>
  createHash('sha256').update(JSON.stringify(credentials)).digest('base64');
