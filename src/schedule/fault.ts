/** Something wrong at an offset of the text; `path` as a Problem has it. */
export interface Fault {
  readonly at: number;
  readonly path: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly hint?: string;
}

/** An error. */
export function fault(at: number, path: string, message: string, hint?: string): Fault {
  return { at, path, severity: 'error', message, ...(hint === undefined ? {} : { hint }) };
}

/** Something without effect. */
export function warning(at: number, path: string, message: string, hint?: string): Fault {
  return { ...fault(at, path, message, hint), severity: 'warning' };
}
