import type { ProviderSecret } from './provider.js';

/**
 * Reads secrets once: decoding a public key costs more than using it. An entry lives as long as the
 * configuration that holds the secret.
 * @param decode throws for a text that is no such secret.
 * @returns a reader that gives undefined for such a text: verification must not throw because one of two
 * secrets is broken.
 */
export function decodedSecrets<T>(decode: (value: string) => T): (secret: ProviderSecret) => T | undefined {
  const decoded = new WeakMap<ProviderSecret, T>();
  return (secret) => {
    let value = decoded.get(secret);
    if (value !== undefined) return value;
    try {
      value = decode(secret.value);
    } catch {
      return undefined;
    }
    decoded.set(secret, value);
    return value;
  };
}
