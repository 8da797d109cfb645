import type { SendCredentials } from '../senders/send-adapter.js';

/** How media that a provider's messages name are fetched. */
export interface MediaAdapter {
  readonly provider: string;
  /** Matches the whole name of each host of the provider's: nobody else is shown a source's credentials. */
  readonly hosts: RegExp;
  /** The origin of its API; a source whose `apiBaseUrl` is another has it called there. */
  readonly apiOrigin: string;
  /** Whether there is no use in asking without credentials. */
  readonly isAuthorized: boolean;
  /**
   * The header that shows the credentials, as `PUT …/credentials` stored them; undefined when they do not have what it takes.
   * @param nowMs Unix milliseconds, for what is signed.
   */
  authorization(credentials: SendCredentials, nowMs: number): Record<string, string> | undefined;
  /** Whether a place only says, in JSON, where the medium is. */
  describes?(place: URL): boolean;
  /** The medium's place in such an answer; undefined when it names none. */
  placeIn?(description: unknown): string | undefined;
}
