//! An Avro schema as a flat arena of nodes: names resolved, recursion as a number.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

pub type NodeId = usize;

/// A schema with more nodes than this is refused: walking it could take more than a record's budget of time.
const MOST_NODES: usize = 20_000;

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed { name: String, size: u64 },
    Enum { name: String, symbols: Vec<String>, default: Option<usize> },
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record { name: String, fields: Vec<Field> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub node: NodeId,
    pub default: Option<Value>,
}

/// What the walk has to do for a top-level field; most fields are one of the named few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Long,
    /// A union of null and a string, with the byte that stands for null.
    MaybeText(u8),
    MaybeLong(u8),
    Other(NodeId),
}

#[derive(Debug)]
pub struct Schema {
    pub nodes: Vec<Node>,
    /// Beside each node its logical type, parameters included, or None: `decimal(10,2)`, `timestamp-millis`.
    pub logical: Vec<Option<String>>,
    pub root: NodeId,
    /// The fields of the root record in a form that is quick to go through.
    pub shapes: Vec<Shape>,
    /// Whether any name has aliases: resolution by alias is not supported, so a reader with them is refused.
    pub has_aliases: bool,
}

impl Schema {
    /// Compiles the JSON of a schema whose root is a record; the error says where it breaks which rule.
    pub fn parse(json: &Value) -> Result<Self, String> {
        let mut parser = Parser::default();
        let root = parser.node(json, "", "the schema")?;
        if !matches!(parser.nodes[root], Node::Record { .. }) {
            return Err("the schema is not a record".to_owned());
        }
        let Parser { nodes, logical, has_aliases, .. } = parser;
        let mut schema = Self { nodes, logical, root, shapes: Vec::new(), has_aliases };
        schema.shapes = schema.fields(root).iter().map(|field| schema.shape(field.node)).collect();
        Ok(schema)
    }

    fn shape(&self, node: NodeId) -> Shape {
        let (null_branch, leaf) = self.nullable(node);
        match (&self.nodes[leaf], null_branch) {
            (Node::String, None) => Shape::Text,
            (Node::Long, None) => Shape::Long,
            (Node::String, Some(null)) => Shape::MaybeText(null << 1),
            (Node::Long, Some(null)) => Shape::MaybeLong(null << 1),
            _ => Shape::Other(node),
        }
    }

    /// The fields of a record node; none of any other.
    #[must_use]
    pub fn fields(&self, node: NodeId) -> &[Field] {
        match &self.nodes[node] {
            Node::Record { fields, .. } => fields,
            _ => &[],
        }
    }

    /// For a union of null and one type: the branch of null (0 or 1) and the type. Else None and the node itself.
    #[must_use]
    pub fn nullable(&self, node: NodeId) -> (Option<u8>, NodeId) {
        if let Node::Union(branches) = &self.nodes[node]
            && let [first, second] = branches[..]
        {
            match (&self.nodes[first], &self.nodes[second]) {
                (Node::Null, _) => return (Some(0), second),
                (_, Node::Null) => return (Some(1), first),
                _ => {}
            }
        }
        (None, node)
    }
}

/// The name without its namespace, by which Avro matches a writer's named type with a reader's.
#[must_use]
pub fn unqualified(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[derive(Default)]
struct Parser {
    nodes: Vec<Node>,
    logical: Vec<Option<String>>,
    names: HashMap<String, NodeId>,
    has_aliases: bool,
}

impl Parser {
    fn add(&mut self, node: Node, logical: Option<String>) -> Result<NodeId, String> {
        if self.nodes.len() >= MOST_NODES {
            return Err(format!("the schema has more than {MOST_NODES} types"));
        }
        self.nodes.push(node);
        self.logical.push(logical);
        Ok(self.nodes.len() - 1)
    }

    fn node(&mut self, json: &Value, namespace: &str, place: &str) -> Result<NodeId, String> {
        match json {
            Value::String(name) => self.named(name, namespace, place),
            Value::Array(branches) => self.union(branches, namespace, place),
            Value::Object(object) => self.object(object, namespace, place),
            _ => Err(format!("{place}: a type is a name, a list or an object")),
        }
    }

    fn named(&mut self, name: &str, namespace: &str, place: &str) -> Result<NodeId, String> {
        if let Some(primitive) = primitive(name) {
            return self.add(primitive, None);
        }
        let full = qualified(name, namespace);
        let found = self.names.get(&full).or_else(|| self.names.get(name));
        found.copied().ok_or_else(|| format!("{place}: the type `{name}` is not defined before this place"))
    }

    fn union(&mut self, branches: &[Value], namespace: &str, place: &str) -> Result<NodeId, String> {
        let mut nodes = Vec::with_capacity(branches.len());
        let mut kinds = HashSet::new();
        for branch in branches {
            let node = self.node(branch, namespace, place)?;
            let kind = match &self.nodes[node] {
                Node::Union(_) => return Err(format!("{place}: a union holds a union")),
                Node::Fixed { name, .. } | Node::Enum { name, .. } | Node::Record { name, .. } => {
                    name.clone()
                }
                Node::Array(_) => "array".to_owned(),
                Node::Map(_) => "map".to_owned(),
                plain => format!("{plain:?}"),
            };
            if !kinds.insert(kind) {
                return Err(format!("{place}: a union holds one type twice"));
            }
            nodes.push(node);
        }
        if nodes.is_empty() {
            return Err(format!("{place}: a union is empty"));
        }
        self.add(Node::Union(nodes), None)
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
        place: &str,
    ) -> Result<NodeId, String> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(nested) => return self.node(nested, namespace, place),
            None => return Err(format!("{place}: a type has no `type`")),
        };
        let logical = logical_type(object);
        match kind {
            "array" | "map" => {
                let inner = if kind == "array" { "items" } else { "values" };
                let json =
                    object.get(inner).ok_or_else(|| format!("{place}: the {kind} has no `{inner}`"))?;
                let node = self.node(json, namespace, place)?;
                self.add(if kind == "array" { Node::Array(node) } else { Node::Map(node) }, logical)
            }
            "record" | "error" | "enum" | "fixed" => self.definition(kind, object, namespace, place, logical),
            name => match primitive(name) {
                Some(node) => self.add(node, logical),
                None => self.named(name, namespace, place),
            },
        }
    }

    fn definition(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        namespace: &str,
        place: &str,
        logical: Option<String>,
    ) -> Result<NodeId, String> {
        let short = text(object, "name").ok_or_else(|| format!("{place}: the {kind} has no `name`"))?;
        let name = qualified(short, text(object, "namespace").unwrap_or(namespace));
        self.has_aliases |= object.contains_key("aliases");
        // The node stands before its content is known, so that the content can refer to it: under its name, for a
        // union within must tell it from null.
        let id = self.add(Node::Record { name: name.clone(), fields: Vec::new() }, logical)?;
        if self.names.insert(name.clone(), id).is_some() {
            return Err(format!("{place}: the type `{name}` is defined twice"));
        }
        let inner = name.rsplit_once('.').map_or("", |(before, _)| before).to_owned();
        self.nodes[id] = match kind {
            "fixed" => {
                let size = object.get("size").and_then(Value::as_u64);
                Node::Fixed {
                    size: size.ok_or_else(|| format!("{place}: the fixed `{name}` has no size"))?,
                    name,
                }
            }
            "enum" => enumeration(object, name, place)?,
            _ => self.record(object, name, &inner)?,
        };
        Ok(id)
    }

    fn record(&mut self, object: &Map<String, Value>, name: String, namespace: &str) -> Result<Node, String> {
        let Some(Value::Array(declared)) = object.get("fields") else {
            return Err(format!("the record `{name}` has no list of fields"));
        };
        let mut fields: Vec<Field> = Vec::with_capacity(declared.len());
        let mut names = HashSet::new();
        for entry in declared {
            let entry = entry.as_object().ok_or_else(|| format!("a field of `{name}` is not an object"))?;
            let field = text(entry, "name").ok_or_else(|| format!("a field of `{name}` has no name"))?;
            let place = format!("{}.{field}", unqualified(&name));
            self.has_aliases |= entry.contains_key("aliases");
            if !names.insert(field.to_owned()) {
                return Err(format!("{place}: the field is there twice"));
            }
            let json = entry.get("type").ok_or_else(|| format!("{place}: the field has no type"))?;
            let node = self.node(json, namespace, &place)?;
            fields.push(Field { name: field.to_owned(), node, default: entry.get("default").cloned() });
        }
        Ok(Node::Record { name, fields })
    }
}

fn primitive(name: &str) -> Option<Node> {
    Some(match name {
        "null" => Node::Null,
        "boolean" => Node::Boolean,
        "int" => Node::Int,
        "long" => Node::Long,
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" => Node::Bytes,
        "string" => Node::String,
        _ => return None,
    })
}

fn enumeration(object: &Map<String, Value>, name: String, place: &str) -> Result<Node, String> {
    let listed = object.get("symbols").and_then(Value::as_array);
    let symbols: Option<Vec<String>> =
        listed.and_then(|all| all.iter().map(|symbol| symbol.as_str().map(str::to_owned)).collect());
    let symbols = symbols.ok_or_else(|| format!("{place}: the enum `{name}` has no list of symbols"))?;
    if symbols.iter().collect::<HashSet<_>>().len() < symbols.len() {
        return Err(format!("{place}: the enum `{name}` has one symbol twice"));
    }
    let default =
        match text(object, "default") {
            None => None,
            Some(wanted) => Some(symbols.iter().position(|symbol| symbol == wanted).ok_or_else(|| {
                format!("{place}: the default of the enum `{name}` is none of its symbols")
            })?),
        };
    Ok(Node::Enum { name, symbols, default })
}

fn logical_type(object: &Map<String, Value>) -> Option<String> {
    let name = text(object, "logicalType")?;
    if name != "decimal" {
        return Some(name.to_owned());
    }
    let number = |key: &str| object.get(key).and_then(Value::as_u64).unwrap_or(0);
    Some(format!("decimal({},{})", number("precision"), number("scale")))
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn qualified(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

#[cfg(test)]
mod tests;
