// What a buildlet may be called. Names come from other machines, too, and become parts of paths.

/** Letters, digits and `._-`, not a directory's own or parent's name, and short enough for a file's name with an ending. */
export const buildletName = /^(?!\.{1,2}$)[\w.-]{1,200}$/;
