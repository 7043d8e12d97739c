//! From the plan's JSON of a condition to the expression that is evaluated, with every type checked.

use serde_json::Value as Json;

use crate::expression::{Arithmetic, Comparison, Constant, Expr, TextTest};
use crate::path::{Kind, Path, kind_of};
use crate::plan::ExprPlan;
use crate::schema::Schema;

/// Compiles an expression of the plan, and checks that every operand has a type that its operator takes.
pub fn compile(schema: &Schema, plan: &ExprPlan) -> Result<Expr, String> {
    compile_typed(schema, plan).map(|(expr, _)| expr)
}

/// The static type of an expression: None for null alone.
type Type = Option<Kind>;

fn compile_typed(schema: &Schema, plan: &ExprPlan) -> Result<(Expr, Type), String> {
    match plan.op.as_str() {
        "const" => constant(plan).map(|(constant, kind)| (Expr::Constant(constant), kind)),
        "field" => {
            let path = Path::compile(schema, &plan.path)?;
            let kind = kind_of(schema, path.leaf);
            let kind = kind.ok_or_else(|| format!("`{}` is no plain value", plan.path.join(".")))?;
            let numeric = if kind == Kind::Float { Kind::Double } else { kind };
            if type_name(Some(numeric)) != plan.kind {
                let found = type_name(Some(numeric));
                return Err(format!(
                    "`{}` is of type {found}, the plan says `{}`",
                    plan.path.join("."),
                    plan.kind
                ));
            }
            Ok((Expr::Field(path, kind), Some(numeric)))
        }
        _ => compile_operator(schema, plan),
    }
}

fn constant(plan: &ExprPlan) -> Result<(Constant, Type), String> {
    Ok(match (plan.kind.as_str(), &plan.value) {
        ("null", Json::Null) => (Constant::Null, None),
        ("bool", Json::Bool(flag)) => (Constant::Boolean(*flag), Some(Kind::Boolean)),
        ("string", Json::String(text)) => (Constant::Text(text.as_bytes().to_vec()), Some(Kind::Text)),
        ("int", Json::Number(number)) if number.is_i64() => {
            (Constant::Integer(number.as_i64().unwrap_or_default()), Some(Kind::Integer))
        }
        ("double", Json::Number(number)) => {
            (Constant::Double(number.as_f64().unwrap_or(f64::NAN)), Some(Kind::Double))
        }
        (kind, value) => return Err(format!("the constant {value} is no `{kind}`")),
    })
}

fn compile_operator(schema: &Schema, plan: &ExprPlan) -> Result<(Expr, Type), String> {
    let op = plan.op.as_str();
    if op == "in" {
        return compile_in(schema, plan);
    }
    let mut operands = Vec::with_capacity(plan.args.len());
    let mut types = Vec::with_capacity(plan.args.len());
    for argument in &plan.args {
        let (operand, kind) = compile_typed(schema, argument)?;
        operands.push(operand);
        types.push(kind);
    }
    let compiled = match (op, &types[..]) {
        ("and", [_, _, ..]) => {
            all(&types, &[Kind::Boolean]).then_some((Expr::And(operands), Some(Kind::Boolean)))
        }
        ("or", [_, _, ..]) => {
            all(&types, &[Kind::Boolean]).then_some((Expr::Or(operands), Some(Kind::Boolean)))
        }
        (_, [_]) => unary(op, &types, operands),
        (_, [_, _]) => binary(op, &types, operands),
        ("cond", [condition, yes, no]) => {
            let fits = all(&[*condition], &[Kind::Boolean]) && alike(*yes, *no);
            let parts = <[Expr; 3]>::try_from(operands).ok().filter(|_| fits);
            parts.map(|parts| (Expr::Choose(Box::new(parts)), yes.or(*no)))
        }
        _ => None,
    };
    compiled.ok_or_else(|| {
        let found: Vec<&str> = types.iter().map(|kind| type_name(*kind)).collect();
        format!("there is no operator `{op}` for ({})", found.join(", "))
    })
}

const NUMBERS: [Kind; 2] = [Kind::Integer, Kind::Double];

/// Whether each type is one of those allowed; null may stand for any.
fn all(types: &[Type], allowed: &[Kind]) -> bool {
    types.iter().all(|kind| kind.is_none_or(|kind| allowed.contains(&kind)))
}

fn unary(op: &str, types: &[Type], operands: Vec<Expr>) -> Option<(Expr, Type)> {
    let operand = Box::new(operands.into_iter().next()?);
    Some(match op {
        "not" if all(types, &[Kind::Boolean]) => (Expr::Not(operand), Some(Kind::Boolean)),
        "neg" if all(types, &NUMBERS) => (Expr::Negate(operand), types[0]),
        "abs" if all(types, &NUMBERS) => (Expr::Absolute(operand), types[0]),
        "size" if all(types, &[Kind::Text]) => (Expr::Size(operand), Some(Kind::Integer)),
        _ => return None,
    })
}

fn binary(op: &str, types: &[Type], operands: Vec<Expr>) -> Option<(Expr, Type)> {
    let pair = Box::new(<[Expr; 2]>::try_from(operands).ok()?);
    if let Some(comparison) = comparison(op) {
        return alike(types[0], types[1]).then_some((Expr::Compare(comparison, pair), Some(Kind::Boolean)));
    }
    if let Some(test) = text_test(op) {
        return all(types, &[Kind::Text]).then_some((Expr::Text(test, pair), Some(Kind::Boolean)));
    }
    let arithmetic = arithmetic(op)?;
    // CEL mixes no numbers here, and has no remainder of doubles.
    let fits =
        all(types, &[Kind::Integer]) || (all(types, &[Kind::Double]) && arithmetic != Arithmetic::Modulo);
    fits.then_some((Expr::Arithmetic(arithmetic, pair), types[0].or(types[1])))
}

fn compile_in(schema: &Schema, plan: &ExprPlan) -> Result<(Expr, Type), String> {
    let [operand, list] = &plan.args[..] else {
        return Err("the operator `in` takes a value and a list".to_owned());
    };
    if list.op != "list" {
        return Err("the operator `in` takes a list of constants on its right".to_owned());
    }
    let (operand, kind) = compile_typed(schema, operand)?;
    let mut constants = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let (constant, of) = constant(item)?;
        if !alike(kind, of) {
            return Err(format!("a list for values of type {} holds a {}", type_name(kind), type_name(of)));
        }
        constants.push(constant);
    }
    Ok((Expr::In(Box::new(operand), constants), Some(Kind::Boolean)))
}

fn alike(left: Type, right: Type) -> bool {
    let number = |kind| matches!(kind, Some(Kind::Integer | Kind::Double));
    left.is_none() || right.is_none() || left == right || (number(left) && number(right))
}

const fn type_name(kind: Type) -> &'static str {
    match kind {
        None => "null",
        Some(Kind::Integer) => "int",
        Some(Kind::Float | Kind::Double) => "double",
        Some(Kind::Text) => "string",
        Some(Kind::Boolean) => "bool",
    }
}

fn comparison(op: &str) -> Option<Comparison> {
    Some(match op {
        "eq" => Comparison::Equal,
        "ne" => Comparison::NotEqual,
        "lt" => Comparison::Less,
        "le" => Comparison::LessOrEqual,
        "gt" => Comparison::Greater,
        "ge" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn arithmetic(op: &str) -> Option<Arithmetic> {
    Some(match op {
        "add" => Arithmetic::Add,
        "sub" => Arithmetic::Subtract,
        "mul" => Arithmetic::Multiply,
        "div" => Arithmetic::Divide,
        "mod" => Arithmetic::Modulo,
        _ => return None,
    })
}

fn text_test(op: &str) -> Option<TextTest> {
    Some(match op {
        "starts_with" => TextTest::StartsWith,
        "ends_with" => TextTest::EndsWith,
        "contains" => TextTest::Contains,
        _ => return None,
    })
}
