// The parser of XML. A file of its own in dist/: few commands need it.
export { SaxesParser, type SaxesTagPlain } from 'saxes';
