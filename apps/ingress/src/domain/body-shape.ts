/** What a value is, in the words of JSON; a file is a part of a multipart form. */
export type FieldType = 'string' | 'number' | 'boolean' | 'null' | 'object' | 'array' | 'file';

/** The fields of a body: of each path every type that it was there with. Never a value. */
export type BodyShape = ReadonlyMap<string, ReadonlySet<FieldType>>;

/** Fields of one body; what is beyond them is not looked at. */
export const PATHS_MAX = 256;
const DEPTH_MAX = 8;
/** Of a list: its elements are alike, or the first ones tell that they are not. */
const ELEMENTS_MAX = 16;
/** Values of one body, which bounds what it costs. */
const VALUES_MAX = 2_000;
/** An object with more names has data for names. */
const NAMES_MAX = 64;
const NAME_LENGTH_MAX = 48;
const NAME = /^[A-Za-z_$][A-Za-z0-9_.:$-]*$/;
/** Numbers inside of a name: of an account, a message, a person. */
const DATA_IN_NAME = /\d{4}|[0-9a-f]{8}-|^[0-9a-f]{16,}$/i;
const LAST_NUMBER = /\d+$/;

/** The shape of a JSON value. */
export function shapeOfJson(value: unknown): BodyShape {
  const shape = new Shape();
  shape.visit('', value, 0);
  return shape.fields;
}

/** The shape of a form. @param isFile absent: no field is one. */
export function shapeOfForm(names: Iterable<string>, isFile?: (name: string) => boolean): BodyShape {
  const shape = new Shape();
  for (const name of names) shape.add(`/${plainName(name)}`, isFile?.(name) === true ? 'file' : 'string');
  return shape.fields;
}

class Shape {
  readonly fields = new Map<string, Set<FieldType>>();
  private values = 0;

  visit(path: string, value: unknown, depth: number): void {
    this.values += 1;
    if (this.values > VALUES_MAX) return;
    const type = typeOf(value);
    if (path !== '' || type !== 'object') this.add(path, type);
    if (depth >= DEPTH_MAX) return;
    if (type === 'array')
      for (const element of (value as unknown[]).slice(0, ELEMENTS_MAX))
        this.visit(`${path}/[]`, element, depth + 1);
    else if (type === 'object') this.visitMembers(path, value as Record<string, unknown>, depth);
  }

  add(path: string, type: FieldType): void {
    const types = this.fields.get(path);
    if (types !== undefined) types.add(type);
    else if (this.fields.size < PATHS_MAX) this.fields.set(path, new Set([type]));
  }

  private visitMembers(path: string, object: Record<string, unknown>, depth: number): void {
    const names = Object.keys(object);
    const isMap = names.length > NAMES_MAX;
    for (const name of names) {
      if (this.values >= VALUES_MAX) return;
      this.visit(`${path}/${isMap ? '{}' : plainName(name)}`, object[name], depth + 1);
    }
  }
}

/** A name as a path has it: `{}` when it is data itself, `#` for the number at its end. */
function plainName(name: string): string {
  if (name.length > NAME_LENGTH_MAX || !NAME.test(name) || DATA_IN_NAME.test(name)) return '{}';
  return name.replace(LAST_NUMBER, '#');
}

function typeOf(value: unknown): FieldType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value as 'string' | 'number' | 'boolean' | 'object';
}
