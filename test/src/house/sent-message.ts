import { waitFor } from '../wire/time.js';
import { type AdminClient } from './admin-client.js';

const SEEN = { timeoutMs: 20_000 };

/** A message that was asked for, as the API shows it. */
export interface Command {
  readonly id: string;
  readonly state: string;
  readonly transitions: readonly { readonly to: string }[];
  readonly command: {
    readonly errorCode: string | null;
    readonly isWaitingForPerson: boolean;
    readonly decision: { readonly rule: string } | null;
  };
}

/** @param tenant its path, `/tenants/acme`. @returns the message, once it is in that state. @throws Error with how it last was. */
export async function untilState(
  api: AdminClient,
  tenant: string,
  id: string,
  state: string,
): Promise<Command> {
  let last: Command | undefined;
  const isThere = async (): Promise<Command | undefined> => {
    last = await api.call<Command>('GET', `${tenant}/messages/${id}`);
    return last.state === state ? last : undefined;
  };
  return waitFor(`${id} is ${state}`, isThere, SEEN).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(last)}`);
  });
}
