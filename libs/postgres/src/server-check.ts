/** What a server says of itself, as `current_setting` gives it. */
export interface ServerSettings {
  readonly version: string;
  readonly fsync: string;
  readonly pages: string;
  readonly commit: string;
}

/** The least that docs/install.md asks for: `server_version_num` of 16.0. Nobody tries an older one. */
const VERSION_MIN = 160_000;
const MAJOR = 10_000;
/** Weaker settings answer COMMIT before the log is on this machine's disk and on its synchronous standbys. */
const DURABLE_COMMITS: readonly string[] = ['on', 'remote_apply'];

/** One row of `ServerSettings`. */
export const SERVER_SETTINGS = `SELECT current_setting('server_version_num') AS version, current_setting('fsync') AS fsync,
  current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commit`;

/** Why nothing may run on a server, or undefined: it is too old, or may forget what it acknowledged. */
export function serverFault({ version, fsync, pages, commit }: ServerSettings): string | undefined {
  const old = versionFault(version);
  if (old !== undefined) return old;
  const weak = [
    ...(fsync === 'on' ? [] : [`fsync=${fsync}`]),
    ...(pages === 'on' ? [] : [`full_page_writes=${pages}`]),
    ...(DURABLE_COMMITS.includes(commit) ? [] : [`synchronous_commit=${commit}`]),
  ];
  return weak.length === 0 ? undefined : `Postgres runs with ${weak.join(', ')}`;
}

/** Why a server is too old, by its `server_version_num`, or undefined. */
export function versionFault(version: string): string | undefined {
  if (Number(version) >= VERSION_MIN) return undefined;
  return `Postgres is of version ${Math.floor(Number(version) / MAJOR)}; ${VERSION_MIN / MAJOR} or newer is needed`;
}
