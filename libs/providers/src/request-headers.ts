/** Header names and values as received, looked up without regard to case. */
export class RequestHeaders {
  /** @param raw name and value alternate, as Node's `rawHeaders`. */
  constructor(readonly raw: readonly string[]) {}

  /** All values of one header, in order. @param name lower case. */
  all(name: string): string[] {
    const values: string[] = [];
    for (let at = 0; at + 1 < this.raw.length; at += 2) {
      const candidate = this.raw[at]!;
      if (candidate.length === name.length && candidate.toLowerCase() === name)
        values.push(this.raw[at + 1]!);
    }
    return values;
  }

  /**
   * The value of a header that may stand once.
   * @returns undefined when it is missing, `repeated` when it stands twice: two proxies could read two values.
   */
  one(name: string): string | undefined | typeof REPEATED {
    const values = this.all(name);
    return values.length > 1 ? REPEATED : values[0];
  }
}

/** Stands for a header that was sent more than once. */
export const REPEATED = Symbol('repeated');
